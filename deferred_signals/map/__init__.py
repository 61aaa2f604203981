"""The map of receivers: who listens to which signals, and how, as data and as text.

`receiver_map()` gives the map as data. It looks at what is connected in this process, and runs no code
of receivers, senders and signals.

===============  ==============================================================================
`entries`        the map as data
`survey`         makes the map
`names`,         name callables and senders of any kind, and find them and signals in the code
`places`,
`sources`
`declared`       how a receiver is deferred: what its declaration gives, and the settings
`selection`      parts of the map
`live`           compares the map with the workers that are running
`table`,         the map as a table, as JSON, and as a flowchart
`plain`,
`mermaid`,
`frames`
`listing`        the map for a file that is kept with the code, and compared with it
`words`          the words that these have in common
===============  ==============================================================================
"""

from deferred_signals.map.entries import (
    Callback,
    Deferral,
    MappedReceiver,
    MappedSignal,
    Place,
    ReceiverMap,
)
from deferred_signals.map.survey import receiver_map

__all__ = [
    "Callback",
    "Deferral",
    "MappedReceiver",
    "MappedSignal",
    "Place",
    "ReceiverMap",
    "receiver_map",
]
