"""What connects this package with others. A bridge may import anything; nothing imports a bridge."""
