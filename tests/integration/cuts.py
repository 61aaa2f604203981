"""Cut connections to the test's database, as the server's administrator does, or a failing network."""

from contextlib import suppress

from django.db import OperationalError, connection

#: How to list the connections of others to the test's database, and how to end one. SQLite has none.
OTHERS = {
    "postgresql": """
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """,
    "mysql": """
        SELECT id FROM information_schema.processlist
        WHERE db = database() AND id <> connection_id()
    """,
}
END = {"postgresql": "SELECT pg_terminate_backend(%s)", "mysql": "KILL %s"}


def others() -> list[int]:
    """List the connections to the database but this thread's own."""
    with connection.cursor() as cursor:
        cursor.execute(OTHERS[connection.vendor])
        return [int(id_) for (id_,) in cursor.fetchall()]


def cut(ids: list[int]) -> None:
    """End some connections."""
    with connection.cursor() as cursor:
        for id_ in ids:
            with suppress(OperationalError):  # on MariaDB, if it has ended by itself meanwhile
                cursor.execute(END[connection.vendor], [id_])
