"""What each group of pages may load. Everything but pages may load nothing at all."""


def _policy(**sources: str) -> str:
    given = {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        **{name.replace("_", "-"): value for name, value in sources.items()},
    }
    return "; ".join(f"{name} {value}" for name, value in given.items())


# By the start of the path, the longest first. {nonce} lets pass what a template marks
# with nonce="{{ csp_nonce }}".
PAGE_POLICIES = {
    # Our own: problem types, the status page.
    "/": {"policy": _policy(style_src="'self' {nonce}", img_src="'self' data:")},
    "/admin/": {
        "policy": _policy(
            # Alpine.js, which the administration's look is built on, evaluates the
            # expressions in its attributes. Scripts in the page itself run nowhere.
            script_src="'self' {nonce} 'unsafe-eval'",
            # The look sets widths and pictures by style attributes.
            style_src="'self' 'unsafe-inline'",
            img_src="'self' data: blob:",
            font_src="'self'",
            connect_src="'self'",
            form_action="'self'",
        ),
        # Under no-referrer browsers send a form with Origin: null, which CSRF refuses.
        "referrer": "same-origin",
    },
    "/api/docs": {
        "policy": _policy(
            script_src="'self' {nonce}",
            style_src="'self' {nonce}",
            # Swagger UI styles some of its elements by attributes.
            style_src_attr="'unsafe-inline'",
            img_src="'self' data:",
            connect_src="'self'",
        )
    },
    "/api/redoc": {
        "policy": _policy(
            script_src="'self' {nonce}",
            # ReDoc makes its styles, and a worker for its search, as it runs.
            style_src="'self' 'unsafe-inline'",
            worker_src="blob:",
            img_src="'self' data:",
            connect_src="'self'",
        )
    },
    "/dev/mail": {
        # A mail is shown in a sandboxed frame, which inherits this; mails style inline.
        "policy": _policy(style_src="'unsafe-inline'", img_src="'self' data: cid:")
    },
}

# What the status page says beside the shop itself: breakers by the first part of their
# names, and what people call it.
STATUS_PARTS = {"payments": "Payments", "mail": "Mail"}
