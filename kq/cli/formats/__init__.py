"""How records are spelled, both ways: format strings, JSON lines, pack strings. `consume` writes them, `produce` reads them."""
