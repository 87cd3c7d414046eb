"""Buy till you die: models of how often customers buy and when they have left, from histories of purchases alone.

One module a model: ``bgnbd``, ``mbgnbd``, ``paretonbd`` and ``bgbb`` for how many purchases are still to come,
``gammagamma`` for what each is worth, ``sbg`` for subscriptions. ``histories`` holds the data and ``fitting`` the
maximum-likelihood fit that they share.
"""
