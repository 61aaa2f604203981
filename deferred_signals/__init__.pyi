# The public names, each listed here and nowhere else: type checkers and editors read this file, and
# so does `deferred_signals.support.lazy`, which imports a name when it is first asked for.

from deferred_signals import events as events
from deferred_signals.decorator import connect as connect
from deferred_signals.decorator import receiver as receiver
from deferred_signals.errors import ConfigurationError as ConfigurationError
from deferred_signals.errors import DecodeError as DecodeError
from deferred_signals.errors import DeferredSignalsError as DeferredSignalsError
from deferred_signals.errors import DepthExceeded as DepthExceeded
from deferred_signals.errors import Discard as Discard
from deferred_signals.errors import DuplicateReceiver as DuplicateReceiver
from deferred_signals.errors import EagerReceiverFailed as EagerReceiverFailed
from deferred_signals.errors import InvalidPolicy as InvalidPolicy
from deferred_signals.errors import InvalidReceiver as InvalidReceiver
from deferred_signals.errors import MessageTooLarge as MessageTooLarge
from deferred_signals.errors import PublishError as PublishError
from deferred_signals.errors import RedeliveredTooOften as RedeliveredTooOften
from deferred_signals.errors import RegistrationError as RegistrationError
from deferred_signals.errors import RetryLater as RetryLater
from deferred_signals.errors import SerializationError as SerializationError
from deferred_signals.errors import SignalNotDeferrable as SignalNotDeferrable
from deferred_signals.errors import UnknownReceiver as UnknownReceiver
from deferred_signals.handlers import decoded as decoded
from deferred_signals.handlers import send_again as send_again
from deferred_signals.policies import Retry as Retry
from deferred_signals.receivers.conditions import changed as changed
from deferred_signals.receivers.muting import muted as muted
from deferred_signals.running.current import current_message as current_message
from deferred_signals.sending.dispatch import Deferred as Deferred
from deferred_signals.serialization import ExceptionSummary as ExceptionSummary
from deferred_signals.serialization import RequestSnapshot as RequestSnapshot
from deferred_signals.serialization import register_type as register_type
from deferred_signals.support.unknown import UNKNOWN as UNKNOWN

__version__: str
