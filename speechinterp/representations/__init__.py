from speechinterp.representations.store import Representations
__all__ = ["Representations"]
