"""Many architectures trained at once as one network, with its own backward pass.

Small networks are slow one at a time because nearly all the time goes into the overhead of tiny operations and into
layouts that suit large networks. Here the activations of K networks lie as ``(K, features, batch)`` with the batch
innermost and features ordered ``(position, channel)``. Then

* a convolution is, for each position, a small matrix product whose sums stay in vector registers: nothing is
  unfolded, padded or copied, and nothing is multiplied by zeros (``conv``, ``tiles``);
* every convolution of one kind and depth, in all networks, is one group, whatever edge of whichever cell it sits on,
  and a group is one call of compiled code (``cell``, ``kernels``);
* batch statistics are sums of contiguous rows (``norm``);
* all buffers are allocated once, and the backward pass is written out, so that nothing is allocated in a step.

The compiled code is Numba's: it is translated once for the processor at hand and kept beside the package.
"""

from metanas.nets.fused.network import FusedNetwork

__all__ = ["FusedNetwork"]
