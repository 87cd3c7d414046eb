"""The pages: the living map, the customers behind every number, the measures, and the same as a JSON API.

>>> from polku.web.app import create_app     # the ASGI application
>>> from polku.web.serve import serve        # and the server that ``polku serve`` starts
"""
