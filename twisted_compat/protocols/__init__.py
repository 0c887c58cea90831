"""Protocols that others build on: lines (``basic``), TLS (``tls``), and the PROXY protocol (``haproxy``)."""
