"""The model's wire protocol, without I/O: values in, bytes out, and back.

Facts are from the project's notes on BidiGenerateContent; section numbers in docstrings
("wire 2.3") name their sections: 1 endpoints and credentials, 2 client to server, 3 server to
client, 4 behaviour, 5 models.
"""
