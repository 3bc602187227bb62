"""The audit: every check of a bundle that needs no policy."""

from husai_gates.audit.inspection import audit, audit_unsealed, unreadable
from husai_gates.audit.plan import Plan
from husai_gates.audit.report import Assurance, AuditReport

__all__ = ["Assurance", "AuditReport", "Plan", "audit", "audit_unsealed", "unreadable"]
