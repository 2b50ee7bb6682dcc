"""A member of a consumer group: the classic protocol, with the four assignors of Java's client."""
