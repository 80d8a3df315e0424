"""`invoice-assets doctor`: being built."""


def examine() -> None:
    """Look at the whole chain.

    Example: invoice-assets doctor
    """
