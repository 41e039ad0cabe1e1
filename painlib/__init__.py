"""painlib reads pain from the faces of freely moving mice (Kobayashi et al. 2025, PNAS Nexus pgaf352)."""

__version__ = "0.1.0"
