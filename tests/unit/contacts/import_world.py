"""A store, a desk and a runner for imports, and short ways through them."""

from collections.abc import AsyncIterator

from app.clock import ManualClock
from app.contacts.desk import ImportDesk
from app.contacts.export import rejected_lines
from app.contacts.runner import Importer
from app.domain.admission_site import Site
from app.domain.contacts.contact import Options, Target
from app.domain.policy.windows import local_time
from app.policy_packs import DEFAULT_PACKS, enabled_packs, load_packs
from app.store import contact_imports
from app.store.contact_imports import ContactImport
from app.store.db import Database
from tests.unit.app.store_world import NOW, TENANT

SITE = Site(packs=enabled_packs(load_packs(), DEFAULT_PACKS), allowed_countries=("US", "DE"))


def utc_clock() -> ManualClock:
    from datetime import UTC

    return ManualClock(local_time(NOW, UTC))


class ImportWorld:
    def __init__(self, db: Database, tenant_id: str = TENANT) -> None:
        self.db, self.tenant_id, self.clock = db, tenant_id, utc_clock()
        self.desk = ImportDesk(db, self.clock, SITE)
        self.importer = Importer(db, self.clock, SITE)

    async def send(
        self, body: bytes | str, name: str = "list.csv", target: Target = "contacts", **options: object
    ) -> ContactImport:
        data = body.encode() if isinstance(body, str) else body
        chosen = Options(**options)  # pyright: ignore[reportArgumentType]
        return await self.desk.receive(
            self.tenant_id, name, pieces(data), target=target, options=chosen, by="user:test"
        )

    async def checked(
        self, body: bytes | str, name: str = "list.csv", target: Target = "contacts", **options: object
    ) -> ContactImport:
        return await self.go_on(await self.send(body, name, target, **options))

    async def go_on(self, one: ContactImport) -> ContactImport:
        return await self.importer.finish(self.tenant_id, one.id)

    async def ordered(self, one: ContactImport) -> ContactImport:
        async with self.db.tx() as tx:
            return await self.desk.bring(tx, self.tenant_id, one.id)

    async def brought(self, one: ContactImport) -> ContactImport:
        return await self.go_on(await self.ordered(one))

    async def again(self, one: ContactImport) -> ContactImport:
        return await contact_imports.get(self.db, self.tenant_id, one.id)

    async def rejected(self, one: ContactImport) -> str:
        return "".join([line async for line in rejected_lines(self.db, one)])


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 50_000):
        yield data[at : at + 50_000]
