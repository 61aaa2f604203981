"""Tell what changed in a row since it was last read or saved, for ``changed()``.

`tracking` listens to the signals of models; `refreshing` wraps ``refresh_from_db``, which sends none.
`kept` has the values of fields, `rows` reads them from an instance, `notes` holds what is known of a
row, `fates` tells whether a transaction kept what was written, and `saves` what each save changed.
"""
