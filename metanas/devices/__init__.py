"""What an architecture costs on a device: measured here, or modelled and marked so."""
