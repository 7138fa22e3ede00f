"""Message vendors: each turns a message into its own format and proves that it was taken."""
