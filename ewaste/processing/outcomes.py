"""What became of a device: a recycler's report, fraction by fraction, in whole grams. Out is never more than in.

The fractions follow the removal list of the WEEE directive (2012/19/EU, Annex VII) where it names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from ewaste.core.refusals import Invalid
from ewaste.devices.models import Device
from ewaste.processing.models import Outcome, OutcomeReport

FRACTIONS: dict[str, tuple[str, str]] = {
    "reused_parts": ("Parts for reuse", "Whatever goes into another device as it is."),
    "batteries": ("Batteries", "WEEE directive, Annex VII: take them out."),
    "circuit_boards": ("Circuit boards", "WEEE directive, Annex VII: of phones always, of others above 10 cm²."),
    "displays": (
        "Displays",
        "WEEE directive, Annex VII: liquid crystal ones above 100 cm², and all with discharge lamps.",
    ),
    "ferrous": ("Iron and steel", ""),
    "non_ferrous": ("Copper, aluminium and other metals", ""),
    "plastics": ("Plastics", "WEEE directive, Annex VII: those with brominated flame retardants apart."),
    "cables": ("External cables", "WEEE directive, Annex VII: take them out."),
    "residue": ("Residue", "What is burnt or landfilled."),
}


def report(
    session: Session,
    device: Device,
    *,
    organisation_id: UUID,
    outcome: str,
    fractions: Mapping[str, int],
    mass_in_g: int,
    remark: str,
    by: UUID,
    now: datetime,
) -> OutcomeReport:
    """Keep a report. Raises `Invalid` with the field.

    A dismantled device is told in fractions; a remade one may be told whole, under "parts for reuse".
    """
    if outcome not in set(Outcome):
        raise Invalid("Say what the device became: dismantled, or remade into a working one.", field="outcome")
    for name, grams in fractions.items():
        if name not in FRACTIONS:
            raise Invalid(f"There is no fraction called {name[:40]!r}.", field="outcome")
        if not 0 <= grams <= 1_000_000:
            raise Invalid("Give whole grams, zero or more.", field=f"mass_{name}_g")
    total = sum(fractions.values())
    if outcome == Outcome.DISMANTLED and total == 0:
        raise Invalid("Weigh at least one fraction of what came out.", field="mass_residue_g")
    if total > mass_in_g:
        raise Invalid(
            f"The fractions weigh {total} g together, but the device weighed {mass_in_g} g at the centre. Weigh again.",
            field=f"mass_{next(name for name, grams in fractions.items() if grams)}_g",
        )
    kept = OutcomeReport(
        device_id=device.id,
        cycle=device.cycle,
        organisation_id=organisation_id,
        outcome=Outcome(outcome),
        mass_in_g=mass_in_g,
        mass_out_g=total,
        fractions={name: grams for name, grams in fractions.items() if grams},
        remark=remark.strip()[:500],
        reported_by=by,
        at=now,
    )
    session.add(kept)
    session.flush()
    return kept
