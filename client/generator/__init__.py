"""Makes the clients' typed halves of `openrpc.json`: one template a language."""
