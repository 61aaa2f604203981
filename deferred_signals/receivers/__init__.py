"""What a receiver may be and ask for, from its declaration to its connections.

===================  ========================================================================
`options`            the one table of options; `rules` and `bases` validate them
`given`              what was given to the decorator: sound options, and hints for others
`naming`             what a callable is called, and whether a worker would find it again
`arguments`,         what a callable asks for by name, against what its signals send
`schemas`
`catalogue`,         the built-in signals: which can be deferred, and what of them travels
`extractors`
`declarations`       all that one use of the decorator declares, validated together
`connecting`         registers and connects a declaration, as a whole or not at all
`receiver`           the receiver itself; `connections` are those to its signals
`registry`           the receivers and their signals by name; `loaded` looks through the
                     modules that are loaded
`conditions`         `changed()`; `changes/` follows the rows that it asks about
`foreign`            receivers of other packages, which the setting ``DEFER`` names
`muting`             `muted()`
`owners`             whether a signal is the project's own
`inspection/`        what a receiver's source says, for the system checks
===================  ========================================================================
"""
