"""Every verdict on a claim, and what turns one into another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

EV = 'from = { bundle = "toy", benchmark = "reconstruction", metric = "explained_variance" }\n'
BETTER = f"""
[[claim]]
id = "better"
document = "paper.md"
phrase = "{{ours}}, better than {{theirs}}"
{EV}
numbers.ours = {{ condition = "addition.topk" }}
numbers.theirs = {{ condition = "addition.relu" }}
compare = [{{ number = "ours", is = "better than", than = "theirs" }}]
"""
BASELINE = BETTER.replace("better than {theirs}", "better than baseline {theirs}")


def _only(desk: Any, status: str) -> Any:
    (found,) = [verdict for verdict in desk.check().verdicts if verdict.status == status]
    return found


def test_a_number_that_the_evidence_gives_is_supported(toy: Any, prints: str) -> None:
    toy.write("# Paper\n\nIt explains 0.95\nof the variance.\n")
    toy.claim(prints.format(phrase="It explains {x} of the variance", more=""))
    code, text = toy.run("check")
    assert code == 0
    assert text.startswith("ALL CLAIMS HOLD: 1 claim, 1 supported (exit 0)")
    assert "supported      CLAIM-SUPPORTED  paper.md:3  ev: 0.95 is 0.9504" in text


def test_another_number_is_contradicted_at_its_line(toy: Any, prints: str) -> None:
    toy.write("# Paper\n\nIt explains 0.96\nof the variance.\n")
    toy.claim(prints.format(phrase="It explains {x} of the variance", more=""))
    code, text = toy.run("check")
    assert code == 2
    assert "CLAIM-CONTRADICTED  paper.md:3  ev: '0.96' is printed, the evidence gives 0.9504" in text


def test_a_supported_value_and_a_contradicted_comparison(desk: Any, draft: Any, level: Callable[..., None]) -> None:
    level(draft, "explained_variance", "addition.topk", 0.376)
    level(draft, "explained_variance", "addition.relu", 0.393, 0.5)
    desk.put(draft.files())
    desk.write("It reaches 0.376, better than 0.393.")
    desk.claim(BETTER)
    verdicts = desk.check().verdicts
    assert [verdict.status for verdict in verdicts] == ["supported", "supported", "contradicted"]
    assert "not better than" in verdicts[2].says
    assert "higher is better" in verdicts[2].says
    assert desk.run("check")[0] == 2


def test_a_contradicted_comparator_whose_number_is_the_bare_model_s(
    desk: Any, draft: Any, level: Callable[..., None]
) -> None:
    level(draft, "explained_variance", "addition.topk", 0.700)
    level(draft, "explained_variance", "addition.relu", 0.796, 0.5)
    level(draft, "explained_variance", "addition.topk.random_decoder", 0.666, 0.2)
    desk.put(draft.files())
    desk.write("It reaches 0.700, better than baseline 0.666.")
    desk.claim(BASELINE)
    first, second, third = desk.check().verdicts
    assert first.status == "supported"
    assert second.status == "contradicted"
    assert "the evidence gives 0.796" in second.says
    assert "what is printed is explained_variance of 'addition.topk.random_decoder'" in second.says
    assert third.status == "contradicted"
    # Whoever points the claim at the bare model instead is told that the sentence speaks of a baseline.
    desk.claim(BASELINE.replace('"addition.relu"', '"addition.topk.random_decoder"'))
    found = _only(desk, "contradicted")
    assert "the sentence calls it a baseline" in found.says
    desk.claim(BASELINE.replace('"addition.relu"', '"addition.topk.random_decoder", role = "baseline"'))
    assert {verdict.status for verdict in desk.check().verdicts} == {"supported", "contradicted"}


def test_better_must_exceed_noise_unless_it_is_said_to_be_nominal(
    desk: Any, draft: Any, level: Callable[..., None]
) -> None:
    level(draft, "explained_variance", "addition.topk", 0.9005, 5.0)
    level(draft, "explained_variance", "addition.relu", 0.9, -2.0)
    desk.put(draft.files())
    desk.write("It reaches 0.9005, better than 0.9000.")
    desk.claim(BETTER)
    assert "only nominally, noise covers it" in _only(desk, "unsupported").says
    desk.claim(BETTER.replace('than = "theirs"', 'than = "theirs", nominal = true'))
    verdicts = desk.check().verdicts
    assert {verdict.status for verdict in verdicts} == {"supported"}
    assert "nominally (noise is not considered)" in verdicts[2].says


def test_differences_without_any_spread_show_nothing(desk: Any, draft: Any, level: Callable[..., None]) -> None:
    level(draft, "explained_variance", "addition.topk", 0.95)
    level(draft, "explained_variance", "addition.relu", 0.94)
    desk.put(draft.files())
    desk.write("It reaches 0.950, better than 0.940.")
    desk.claim(BETTER)
    assert "nothing shows the spread" in _only(desk, "unsupported").says


def test_a_share_that_is_in_percent_already_is_not_multiplied() -> None:
    from husai_gates.claims.ledger import Number
    from husai_gates.claims.phrase import Pointer
    from husai_gates.claims.printed import read
    from husai_gates.claims.reading import Reading
    from husai_gates.claims.standing import scale

    number, seen = Number("x", "measurement", "here"), read("12", "", " % of it")
    assert scale(number, Pointer("x"), Reading(12.0, "x", "", "percent"), seen) == 1.0
    assert scale(number, Pointer("x"), Reading(0.12, "x", "", "fraction"), seen) == 100.0
    assert scale(number, Pointer("x", "n"), Reading(5.0, "x", "", "fraction"), seen) == 1.0


def test_a_difference_beyond_noise_is_said_to_be_one(toy: Any) -> None:
    toy.write("It reaches 0.950, better than 0.940.")
    toy.claim(BETTER)
    verdicts = toy.check().verdicts
    assert {verdict.status for verdict in verdicts} == {"supported"}
    assert "better than, beyond noise" in verdicts[2].says
    assert "95 % interval" in verdicts[2].says


def test_lower_is_better_where_the_card_says_so(toy: Any) -> None:
    toy.write("Dead are 0.25, better than 0.10.")
    toy.claim(BETTER.replace("explained_variance", "dead_fraction"))
    assert "lower is better" in _only(toy, "contradicted").says
    toy.write("Dead are 0.10, better than 0.25.")
    turned = BETTER.replace("addition.topk", "addition.x").replace("addition.relu", "addition.topk")
    toy.claim(turned.replace("addition.x", "addition.relu").replace("explained_variance", "dead_fraction"))
    verdicts = toy.check().verdicts
    assert {verdict.status for verdict in verdicts} == {"supported"}
    assert "better than, beyond noise" in verdicts[2].says
    toy.write("Dead are 0.25, worse than 0.10.")
    toy.claim(BETTER.replace("explained_variance", "dead_fraction").replace("better than", "worse than"))
    assert toy.run("check")[0] == 0


def test_a_sentence_that_compares_needs_a_comparison(toy: Any) -> None:
    toy.write("It reaches 0.950, better than 0.940.")
    toy.claim(BETTER.partition("compare")[0])
    assert "the sentence says 'better than'" in _only(toy, "unsupported").says
    toy.claim(BETTER.replace('is = "better than"', 'is = "higher than"'))
    assert "the sentence says 'better than'" in _only(toy, "unsupported").says


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d.reconstruction["data"][0].update(rows=480), "CMP-DATA"),
        (lambda d: d.reconstruction["benchmark"].update(version="2"), "CMP-VERSION"),
    ],
)
def test_sides_of_two_bundles_that_were_measured_otherwise_are_not_comparable(
    toy: Any, draft: Any, change: Callable[[Any], None], code: str
) -> None:
    if code == "CMP-DATA":
        draft.site["data"][1]["rows"] = draft.consistency["data"][0]["rows"] = 480
    change(draft)
    toy.put(draft.files(), "other")
    toy.write("It reaches 0.950, better than 0.940.")
    head = 'schema = "husai:claims/v1"\n[bundles.toy]\npath = "bundle"\n[bundles.other]\npath = "other"\n'
    toy.claim(BETTER.replace('"addition.relu" }', '"addition.relu", bundle = "other" }'), head)
    found = _only(toy, "not_comparable")
    assert found.code == "CLAIM-INCOMPARABLE"
    assert toy.run("check")[0] == 2
    toy.claim((toy.folder / "claims.toml").read_text().replace('"theirs" }', '"theirs", nominal = true }'), "")
    assert _only(toy, "not_comparable"), "what was measured otherwise does not compare in name either"
    for made in ("difference", "ratio"):
        toy.claim((toy.folder / "claims.toml").read_text().partition("compare =")[0], "")
        toy.write("It reaches 0.950 and 0.940, by 1.0.")
        text = (toy.folder / "claims.toml").read_text().replace("better than {theirs}", "and {theirs}")
        text = text.replace("{ours}, and {theirs}", "{ours} and {theirs}, by {made}")
        toy.claim(f'{text}numbers.made = {{ {made} = ["ours", "theirs"] }}\n', "")
        assert _only(toy, "not_comparable").line == 1
        toy.claim(text, "")


def test_two_metrics_two_settings_or_a_file_are_not_comparable(toy: Any) -> None:
    toy.write("It reaches 0.950, better than 0.250.")
    toy.claim(BETTER.replace('"addition.relu" }', '"addition.topk", metric = "dead_fraction" }'))
    assert "[CMP-METRIC]" in _only(toy, "not_comparable").says
    toy.write('{"x": 0.25}', "other.json")
    toy.claim(
        BETTER.replace('condition = "addition.relu" }', 'file = "other", pointer = "/x" }'),
        'schema = "husai:claims/v1"\n[bundles.toy]\npath = "bundle"\n[files.other]\npath = "other.json"\n',
    )
    assert "[CMP-SOURCE]" in _only(toy, "not_comparable").says


def test_the_same_needs_a_margin_that_the_interval_keeps(toy: Any) -> None:
    toy.write("It reaches 0.950, the same as 0.940.")
    same = BETTER.replace("better than {theirs}", "the same as {theirs}")
    # The interval of the difference ends at 0.0109 at 90 % and at 0.0111 at 95 %: two one-sided tests use the first.
    cases = (("0.005", "contradicted"), ("0.0105", "unsupported"), ("0.011", "supported"), ("0.05", "supported"))
    for margin, status in cases:
        toy.claim(
            same.replace('is = "better than", than = "theirs"', f'is = "same as", than = "theirs", margin = {margin}')
        )
        assert toy.statuses()[2] == status


def test_chance_is_a_bound_and_no_second_measurement(toy: Any) -> None:
    toy.write("Seeds agree by 0.60, chance being 0.35.")
    toy.claim("""
[[claim]]
id = "chance"
document = "paper.md"
phrase = "agree by {x}, chance being {chance}"
from = { bundle = "toy", benchmark = "consistency", metric = "pwmcc", condition = "addition.topk" }
numbers.x = { }
numbers.chance = { statistic = "chance" }
compare = [{ number = "x", is = "better than", than = "chance" }]
""")
    assert toy.statuses() == ["supported"] * 3


@pytest.mark.parametrize(
    ("more", "phrase", "text"),
    [
        ("", "a mean of {x}, 95 % interval {x.low} to {x.high}", "a mean of 0.9504, 95 % interval 0.9470 to 0.9538"),
        ("", "{x} [{x.low}, {x.high}] at {x.confidence} %", "0.950 [0.947, 0.954] at 95 %"),
        ("", "{x} ± {x.half_width} over {x.n} seeds", "0.9504 ± 0.0034 over five seeds"),
        ("", "the worst seed has {x.worst}, the best {x.best}", "the worst seed has 0.947, the best 0.954"),
        (', statistic = "worst"', "at the worst {x}", "at the worst 0.947"),
        (', minus = "addition.relu", statistic = "worst"', "at the worst {x} of gain", "at the worst 0.0091 of gain"),
        (", confidence = 0.9", "from {x.low} to {x.high} ({x.confidence} %)", "from 0.948 to 0.953 (90 %)"),
        (', minus = "addition.topk.untrained"', "a gain of {x} [{x.low}, {x.high}]", "a gain of 0.650 [0.649, 0.652]"),
        (', over = "addition.topk.untrained"', "{x} times that of its start", "3.17 times that of its start"),
        (', unit = "%"', "{x} % of the variance", "95.0 % of the variance"),
        ("", "about {x} % of the variance", "about 95 % of the variance"),
        ("", "more than {*} of {x}", "more than 17 of 0.95"),
    ],
)
def test_what_can_be_said_of_a_measurement(toy: Any, prints: str, more: str, phrase: str, text: str) -> None:
    toy.write(text)
    toy.claim(prints.format(phrase=phrase, more=more))
    found = [v for v in toy.check().verdicts if v.status != "supported" and "the sentence says" not in v.says]
    assert found == []


def test_a_unit_must_be_printed(toy: Any, prints: str) -> None:
    toy.claim(prints.format(phrase="takes {x}", more=', unit = "ms", scale = 1000'))
    for text, status in (
        ("takes 950 ms", "supported"),
        ("takes 950 s", "contradicted"),
        ("takes 0.950 ms", "contradicted"),
    ):
        toy.write(text)
        assert toy.statuses() == [status]


def test_the_decision_is_judged_and_not_read(toy: Any, test_policy: str) -> None:
    (toy.folder / "test.toml").write_text(test_policy)
    toy.claim("""
[[claim]]
id = "decision"
document = "paper.md"
phrase = "{verdict}: {held} of {rules} rules hold; 'alive' has the status {alive}, of {fine} conditions."
from = { bundle = "toy", policy = "test.toml" }
numbers.verdict = { verdict = true }
numbers.held = { rules = "pass" }
numbers.rules = { rules = "all" }
numbers.alive = { row = "alive" }
numbers.fine = { row = "alive", cells = "pass" }
""")
    toy.write("Released: six of 6 rules hold; 'alive' has the status pass, of one conditions.")
    assert toy.run("check")[0] == 0
    toy.write("Not released: 5 of 6 rules hold; 'alive' has the status fail, of none conditions.")
    assert toy.statuses() == ["contradicted", "contradicted", "supported", "contradicted", "contradicted"]
    (toy.folder / "test.toml").write_text(
        test_policy.replace("at_most = 0.5", "at_most = 0.1").replace("preregistered = true", "")
    )
    assert toy.run("check")[0] == 0


def test_pointers_into_documents_of_a_bundle_and_into_files(toy: Any) -> None:
    toy.write(json.dumps({"a/b": [{"ms": 244.02}, {"ms": 134.73}]}), "speed.json")
    head = 'schema = "husai:claims/v1"\n[bundles.toy]\npath = "bundle"\n[files.speed]\npath = "speed.json"\n'
    toy.claim(
        """
[[claim]]
id = "speed"
document = "paper.md"
phrase = "a step takes {ours} ms, {peer} elsewhere ({times} times), of {width} latents and {many} seeds"
from = { file = "speed", better = "lower" }
compare = [{ number = "ours", is = "better than", than = "peer", nominal = true }]
[claim.numbers]
ours = { pointer = "/a~1b/1/ms", unit = "ms" }
peer = { pointer = "/a~1b/0/ms" }
times = { ratio = ["peer", "ours"] }
width = { bundle = "toy", document = "subjects/addition.topk.s1.json", pointer = "/dims/d_sae" }
many = { bundle = "toy", document = "study.toml", pointer = "/training/seeds", count = true }
""",
        head,
    )
    toy.write("a step takes 135 ms, 244 elsewhere (1.8 times), of 256 latents and five seeds")
    assert toy.statuses() == ["supported"] * 6
    toy.claim((toy.folder / "claims.toml").read_text().replace(", nominal = true", ""), "")
    assert "no common interval" in _only(toy, "unsupported").says


@pytest.mark.parametrize(
    ("statistic", "text", "status"),
    [("", "3.0", "supported"), ("lowest", "1", "supported"), ("highest", "6", "supported"), ("n", "3", "unsupported")],
)
def test_a_list_of_numbers_has_a_mean_and_ends(desk: Any, statistic: str, text: str, status: str) -> None:
    desk.write('{"x": [1, 2, 6]}', "speed.json")
    desk.write(f"a step takes {text} s")
    more = f', statistic = "{statistic}"' if statistic else ""
    desk.claim(
        '[[claim]]\nid = "x"\ndocument = "paper.md"\nphrase = "a step takes {x} s"\n'
        f'numbers.x = {{ file = "speed", pointer = "/x"{more} }}\n',
        'schema = "husai:claims/v1"\n[files.speed]\npath = "speed.json"\n',
    )
    assert desk.statuses() == [status]


@pytest.mark.parametrize(
    ("relation", "bound", "status"),
    [
        ("higher than", 2.5, "contradicted"),
        ("at least", 2.5, "supported"),
        ("lower than", 2.5, "contradicted"),
        ("at most", 2.5, "supported"),
        ("higher than", 2.4, "supported"),
        ("at most", 2.4, "contradicted"),
        ("better than", 2.6, "supported"),
        ("worse than", 2.6, "contradicted"),
    ],
)
def test_a_bound_is_kept_or_not(desk: Any, relation: str, bound: float, status: str) -> None:
    desk.write('{"x": 2.5}', "speed.json")
    desk.write("in a short time")
    desk.claim(
        '[[claim]]\nid = "x"\ndocument = "paper.md"\nphrase = "in a short time"\n'
        'numbers.x = { file = "speed", pointer = "/x", better = "lower" }\n'
        f'compare = [{{ number = "x", is = "{relation}", than = {bound}, nominal = true }}]\n',
        'schema = "husai:claims/v1"\n[files.speed]\npath = "speed.json"\n',
    )
    assert desk.statuses() == [status]
    desk.claim((desk.folder / "claims.toml").read_text().replace(", nominal = true", ""), "")
    assert desk.statuses() == ["unsupported" if status == "supported" else "contradicted"]


def test_one_hole_may_hold_several_numbers(toy: Any) -> None:
    toy.claim(f"""
[[claim]]
id = "all"
document = "paper.md"
phrase = "both reach {{a, b}}"
{EV}
numbers.a = {{ condition = "addition.topk" }}
numbers.b = {{ condition = "addition.relu" }}
""")
    toy.write("both reach 0.9")
    assert toy.statuses() == ["contradicted", "supported"]
    toy.write("both reach 0.95")
    assert toy.statuses() == ["supported", "contradicted"]


@pytest.mark.parametrize(
    "text", ["", "nothing of the kind", "It explains some of the variance", "It explains0.95 of it"]
)
def test_a_phrase_that_is_gone_is_stale(toy: Any, prints: str, text: str) -> None:
    toy.write(text)
    toy.claim(prints.format(phrase="It explains {x} of the variance", more=""))
    assert toy.statuses() == ["stale"]
    code, out = toy.run("check")
    assert code == 2
    assert "CLAIM-STALE" in out


def test_a_second_place_is_stale_and_checked_all_the_same(toy: Any, prints: str) -> None:
    toy.write("It explains 0.95 of the variance. It explains 0.99 of the variance.")
    claim = prints.format(phrase="It explains {x} of the variance", more="")
    toy.claim(claim)
    assert toy.statuses() == ["stale", "supported", "contradicted"]
    toy.claim(claim.replace('id = "ev"', 'id = "ev"\noccurrences = 2'))
    assert toy.statuses() == ["supported", "contradicted"]


def test_a_pin_that_the_bundle_has_left_is_stale(toy: Any, prints: str) -> None:
    toy.write("It explains 0.95.")
    claim = prints.format(phrase="It explains {x}.", more="")
    digest = json.loads((toy.folder / "bundle" / "manifest.json").read_text())["content_digest"]
    head = 'schema = "husai:claims/v1"\n[bundles.toy]\npath = "bundle"\ndigest = "%s"\n'
    toy.claim(claim.replace('"paper.md"', '"./x/../paper.md"'), head % digest)
    assert toy.run("check")[0] == 0
    toy.claim(claim, head % ("sha256:" + "0" * 64))
    assert toy.statuses() == ["stale", "supported"]
    assert toy.run("check")[0] == 2


def test_what_was_not_measured_supports_nothing(desk: Any, draft: Any, prints: str) -> None:
    draft.drop_seed(3)
    desk.put(draft.files())
    desk.write("It explains 0.95.")
    desk.claim(prints.format(phrase="It explains {x}.", more=""))
    assert desk.statuses() == ["unsupported"]
    desk.claim(prints.format(phrase="It explains {x}.", more="").replace("addition.topk", "addition.top"))
    assert "did you mean 'addition.topk'?" in desk.check().verdicts[0].next_step


def test_a_bundle_that_fails_its_audit_supports_nothing_and_exits_3(toy: Any, prints: str) -> None:
    toy.write("It explains 0.95.")
    toy.claim(prints.format(phrase="It explains {x}.", more=""))
    path = toy.folder / "bundle" / "evidence" / "reconstruction.addition.json"
    path.write_bytes(path.read_bytes().replace(b"0.95", b"0.96", 1))
    code, text = toy.run("check")
    assert code == 3
    assert "support nothing" in text
    assert toy.statuses() == ["unsupported"]
    (toy.folder / "bundle" / "evidence" / "link.json").symlink_to(path)
    assert toy.run("check")[0] == 3


def test_other_evidence_turns_the_verdict(desk: Any, make_draft: Any, level: Callable[..., None], prints: str) -> None:
    desk.write("It explains 0.95.")
    desk.claim(prints.format(phrase="It explains {x}.", more=""))
    for mean, status in ((0.95, "supported"), (0.951, "supported"), (0.96, "contradicted"), (0.9449, "contradicted")):
        draft = make_draft()
        level(draft, "explained_variance", "addition.topk", mean)
        shutil.rmtree(desk.folder / "bundle", ignore_errors=True)
        desk.put(draft.files())
        assert desk.statuses() == [status]


def test_a_point_of_a_search_is_compared_with_nothing(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from husai_gates.claims.sources import Sources

    honest = Sources.bundle

    def searched(self: Any, name: str) -> Any:
        found = honest(self, name)
        subjects = {
            key: dataclasses.replace(subject, role="explored") if subject.condition == "addition.topk" else subject
            for key, subject in found.report.subjects.items()
        }
        return dataclasses.replace(found, report=dataclasses.replace(found.report, subjects=subjects))

    monkeypatch.setattr(Sources, "bundle", searched)
    toy.write("It reaches 0.950, better than 0.940.")
    for claim in (BETTER, BETTER.replace('than = "theirs"', 'than = "theirs", nominal = true')):
        toy.claim(claim)
        assert "[EV-EXPLORED]" in _only(toy, "unsupported").says


def test_the_worst_seeds_of_two_conditions_compare_nominally_and_only_alike(toy: Any) -> None:
    toy.write("It reaches 0.947, better than 0.938.")
    worst = BETTER.replace('"addition.topk" }', '"addition.topk", statistic = "worst" }')
    worst = worst.replace('"addition.relu" }', '"addition.relu", statistic = "worst" }')
    toy.claim(worst)
    assert toy.statuses() == ["supported", "supported", "unsupported"]
    toy.claim(worst.replace('than = "theirs"', 'than = "theirs", nominal = true'))
    assert toy.statuses() == ["supported"] * 3
    toy.claim(worst.replace('"addition.relu"', '"addition.relu", metric = "l0"'))
    assert "not_comparable" in toy.statuses()


def test_joint_seeds_have_a_mean_and_no_interval(desk: Any, draft: Any, prints: str) -> None:
    for subject in draft.subjects.values():
        if subject["condition"].startswith("addition.topk"):
            subject["budget"].update(agreement=0.1, match_every=1)
    draft.study = draft.study.replace('role = "candidate"', 'role = "candidate"\nagreement = 0.1')
    desk.put(draft.files())
    desk.write("It explains 0.95 [0.94, 0.96].")
    desk.claim(prints.format(phrase="It explains {x} [{x.low}, {x.high}].", more=""))
    judgement = desk.check()
    assert [v.status for v in judgement.verdicts] == ["supported", "unsupported", "unsupported"]
    assert "EV-JOINT-SEEDS" in judgement.verdicts[1].says


def test_nothing_claimed_is_nothing_evaluated(toy: Any) -> None:
    toy.claim("")
    code, text = toy.run("check")
    assert code == 5
    assert "NOTHING IS CLAIMED" in text


def test_what_breaks_is_an_error_of_its_claim(toy: Any, prints: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr("husai_gates.claims.checking.standing", broken)
    toy.write("It explains 0.95.")
    toy.claim(prints.format(phrase="It explains {x}.", more=""))
    code, text = toy.run("check")
    assert code == 4
    assert "GATE-ERROR" in text
    assert "Traceback" not in text


def test_the_judgement_as_json_and_as_annotations(toy: Any, prints: str) -> None:
    toy.write("\nIt explains 0.96.")
    toy.claim(prints.format(phrase="It explains {x}.", more=""))
    code, text = toy.run("check", "--format", "json")
    assert code == 2
    document = json.loads(text)
    assert document["claims"] == {"ev": "contradicted"}
    assert document["verdicts"][0]["code"] == "CLAIM-CONTRADICTED"
    assert (document["verdicts"][0]["file"], document["verdicts"][0]["line"]) == ("paper.md", 2)
    code, text = toy.run("check", "--format", "github")
    assert text.startswith("::error file=paper.md,line=2,title=CLAIM-CONTRADICTED::ev: '0.96' is printed")
