from dataclasses import dataclass

from api.authentication import Authentication
from api.channel_targets import ChannelTargets
from api.charts import Charts
from api.expense_writer import CONNECTIONS, LOCK_WAIT_MS, ExpenseWriter, new_expense_writer
from api.gatekeeper import Gatekeeper
from api.oidc_providers import OidcProviders
from api.passwords import Passwords
from api.transactions import Transactions
from core.config import Settings
from core.database import Database
from core.downloads import Downloads
from core.files import FileStore
from core.metrics import watch_pool
from core.security import Tokens, derive_key
from core.wakeups import WakeUps


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the resources of one process work with."""

    settings: Settings
    database: Database
    writer_database: Database
    wake_ups: WakeUps
    transactions: Transactions
    expense_writer: ExpenseWriter
    tokens: Tokens
    authentication: Authentication
    gatekeeper: Gatekeeper
    passwords: Passwords
    charts: Charts
    files: FileStore
    downloads: Downloads
    channel_targets: ChannelTargets
    oidc_providers: OidcProviders

    @classmethod
    def of(cls, settings: Settings) -> "Collaborators":
        database = Database(settings.database, pool_size=settings.api_threads, has_confined_readers=True)
        writer_database = Database(settings.database, pool_size=CONNECTIONS, lock_timeout_ms=LOCK_WAIT_MS)
        watch_pool(database, "api", size=settings.api_threads)
        watch_pool(writer_database, "api_writer", size=CONNECTIONS)
        wake_ups = WakeUps(settings)
        transactions = Transactions(
            database,
            wake_ups,
            threads=settings.api_threads,
            fingerprint_key=derive_key(settings.secret, "idempotency"),
        )
        tokens = Tokens(settings.secret)
        gatekeeper = Gatekeeper(settings)
        return cls(
            settings=settings,
            database=database,
            writer_database=writer_database,
            wake_ups=wake_ups,
            transactions=transactions,
            expense_writer=new_expense_writer(transactions, writer_database),
            tokens=tokens,
            authentication=Authentication(tokens, transactions, gatekeeper, master_key=settings.master_key),
            gatekeeper=gatekeeper,
            passwords=Passwords(cost=settings.bcrypt_cost),
            charts=Charts(),
            files=FileStore(settings.files),
            downloads=Downloads(settings.secret, settings.public_url),
            channel_targets=ChannelTargets(settings),
            oidc_providers=OidcProviders(settings),
        )

    def close(self) -> None:
        self.transactions.close()
        self.passwords.close()
        self.charts.close()
        self.channel_targets.close()
        self.oidc_providers.close()
        self.wake_ups.close()
        self.database.close()
        self.writer_database.close()
