from dataclasses import dataclass

import pytest

from husai_core.errors import UsageError
from husai_core.settings import parse_settings, settings_table


@dataclass(frozen=True)
class Example:
    k: int
    rate: float = 0.5
    limit: int | None = None
    levels: tuple[int, ...] = (1, 2)
    exact: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError("k must be at least 1")


def test_defaults_fill_in_and_integers_serve_as_floats() -> None:
    settings = parse_settings(Example, {"k": 3, "rate": 2, "levels": [4, 5]}, "s")
    assert settings == Example(3, 2.0, None, (4, 5), False)
    assert isinstance(settings.rate, float)
    assert settings_table(settings) == {"k": 3, "rate": 2.0, "limit": None, "levels": [4, 5], "exact": False}


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ({"k": 3, "rat": 1.0}, "did you mean 'rate'?"),
        ({"k": "3"}, "'3' is not of type int"),
        ({"k": True}, "True is not of type int"),
        ({"k": 1.5}, "1.5 is not of type int"),
        ({"k": 1, "rate": True}, "not of type float"),
        ({"k": 1, "limit": "x"}, "not of type int or none"),
        ({"k": 1, "levels": ["x"]}, "levels"),
        ({}, "the setting 'k' is missing"),
        ({"k": 0}, "k must be at least 1"),
    ],
)
def test_a_mistake_names_place_and_rule(table: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_settings(Example, table, "study.toml $.sae[0].settings")
    assert "study.toml $.sae[0].settings" in str(caught.value)
    assert hint in str(caught.value)
