"""Alembic's way in: it is given an open connection of the owner role."""

from alembic import context

from ewaste.migrations.models import Base

IGNORED = {"device_transitions", "alembic_version"}


def _ours(_thing: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    if kind == "table" and name is not None:
        return name not in IGNORED and not name.startswith("procrastinate_")
    return True


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=_ours,
    compare_type=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
