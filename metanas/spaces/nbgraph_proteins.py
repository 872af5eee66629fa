"""The sub-space of NAS-Bench-Graph for its largest data set: five operations, 2,021 architectures up to isomorphism.

Texts and indices are those of ``nbgraph``.
"""

from __future__ import annotations

from metanas.spaces.nbgraph import FAMILY, OPS, NbGraphSpace

SPACE = NbGraphSpace(f"{FAMILY}-proteins", allowed=tuple(OPS.index(op) for op in ("gcn", "sage", "arma", "fc", "skip")))
