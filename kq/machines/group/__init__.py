"""The group coordinator: consumer groups of both protocols and their committed offsets, without wire, clock or log."""
