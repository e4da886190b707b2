"""What old nights leave and nothing needs any more: archives, evidence, DVC's cache, Prefect's history, scratch."""

from tasks.retention.plan import Plan, plan

__all__ = ["Plan", "plan"]
