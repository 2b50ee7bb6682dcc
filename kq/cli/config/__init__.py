"""`kq config`: settings of topics and brokers in the cluster, and how they are written and shown."""
