from core.errors import DomainError, ErrorKind


class UnusableFileError(DomainError):
    code = "unusable_file"
    kind = ErrorKind.INVALID
    title = "Not a file to import"
    cause = "The file is empty or can't be read."
    cure = "Export the products again, as a CSV file with a header row."
