"""Transports: descriptors, connections and ports. They know IReactorFDSet and a vocabulary, never the reactor
class."""
