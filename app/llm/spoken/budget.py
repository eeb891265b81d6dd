"""The tenant's month, as a spoken session asks for it: nobody begins, or speaks on, when it is used up."""

from app.store import budgets, tenants
from app.store.db import Reader


async def left(sql: Reader, tenant_id: str, now_ms: int) -> bool:
    """Whether anything is left; what is reserved for calls is spent already. Raises StoreError, NotFoundError."""
    terms = await tenants.terms(sql, tenant_id)
    account = budgets.tenant_month(tenant_id, terms.budget_micro_usd, now_ms)
    if account.limit_micro_usd is None:
        return True
    (found,) = await budgets.facts(sql, [account], 0)
    return found.spent_micro_usd + found.reserved_micro_usd < account.limit_micro_usd
