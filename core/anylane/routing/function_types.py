"""The types of the functions that users register. They are in function_types.pyi.

Type checkers alone read them, so nothing imports this module. Routing knows nothing of the Context
that hooks are given, and their types have to name it: the stub may, because it never runs.
"""
