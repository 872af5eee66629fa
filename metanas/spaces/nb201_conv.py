"""The sub-space of NAS-Bench-201 without pooling: 4,096 cells, 1,011 functional classes.

It is the cell space of TransNAS-Bench-101 micro (Duan et al., CVPR 2021, arXiv:2105.11871, section 3.1). Strings and
indices are those of ``nb201``.
"""

from __future__ import annotations

from metanas.spaces.nb201 import CONV_1X1, CONV_3X3, NONE, SKIP, CellSpace

SPACE = CellSpace("nb201-conv", allowed=(NONE, SKIP, CONV_1X1, CONV_3X3))
