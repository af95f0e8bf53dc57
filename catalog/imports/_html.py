import nh3


def clean_html(html: str) -> str:
    return nh3.clean(html)
