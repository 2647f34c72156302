"""Paper: what a station prints and hands over, made from certificates that verify and from nothing else.

`judge` reads a bundle and verifies it. `certificate_page`, `summary_page`, `summary_csv` and `label_sheet` turn what
verified into bytes: the same certificate, address and fonts give the same bytes. A bundle that does not verify
gets no page; the summary lists it in words. `evidence_archive` puts the station's raw notes beside the certificate.

A page is for people. It proves nothing by itself, and says so: the bundle does, and the code on the page leads to it.
"""

from wipe_agent.report.evidence import RawFile, evidence_archive
from wipe_agent.report.labels import Label, label_sheet, labels_of, order_labels
from wipe_agent.report.page import certificate_page
from wipe_agent.report.proven import Judged, Proven, judge
from wipe_agent.report.summary import OpenOrder, summary_csv, summary_page

__all__ = [
    "Judged",
    "Label",
    "OpenOrder",
    "Proven",
    "RawFile",
    "certificate_page",
    "evidence_archive",
    "judge",
    "label_sheet",
    "labels_of",
    "order_labels",
    "summary_csv",
    "summary_page",
]
