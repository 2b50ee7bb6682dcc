"""How records are spelled: format strings, JSON lines, pack strings; `consume` writes them, `produce` reads them."""
