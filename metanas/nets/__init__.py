"""Architectures as torch networks: one at a time (the reference), or many as one fused network.

``skeleton`` says what surrounds the cells, ``weights`` draws initial weights, ``plain`` is the readable reference and
``fused`` trains many architectures at once. All of them build the *pruned* cell, ``space.cell(arch)``, so that
architectures of one functional class are one and the same network.
"""
