"""What happens between a request and its response.

A request is routed, hooks and handler run, and it is answered. Lanes see no more of this than an
`Application`.
"""
