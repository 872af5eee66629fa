"""Many architectures trained at once as one network, with its own backward pass.

Small networks are slow one at a time because nearly all the time goes into the overhead of tiny operations and into
layouts that suit large networks. Here the activations of K networks lie as ``(K, features, batch)`` with the batch
innermost and features ordered ``(position, channel)``. Then

* a 3x3 convolution of a row of positions is one small dense (Toeplitz) matrix times a contiguous slab of rows, so that
  all networks and one row are one batched matrix product: nothing is unfolded, padded or copied (``conv``);
* every convolution of one kind and depth, in all networks, is one group, whatever edge of whichever cell it sits on
  (``cell``);
* batch statistics are sums of contiguous rows (``norm``);
* all buffers are allocated once, and the backward pass is written out, so that nothing is allocated in a step.
"""

from metanas.nets.fused.network import FusedNetwork

__all__ = ["FusedNetwork"]
