"""What the warehouse and the disk do wrong while a resource is loaded, and what comes of it.

What a row means lives in `faults.py`; what the API does wrong, in `api_faults.py`.
"""

from invoice_assets.ingest.warehouse_errors import (
    DiskFullError,
    WarehouseDeniedError,
    WarehouseUnreachableError,
    WarehouseUnusableError,
)
from invoice_assets_tests.reliability import strikes
from invoice_assets_tests.reliability.fault_scene import Moment
from invoice_assets_tests.reliability.faults import Fault, Warehouse

WAREHOUSE_FAULTS = (
    Fault(
        name="the disk of the warehouse is full",
        lasting=strikes.disk_is_full,
        moment=Moment.AT_ITS_SECOND_PAGE,
        error=DiskFullError,
        says=(
            "there is no space left for …/warehouse/invoicing.duckdb.wal (TransactionException). Make room on its "
            "disk, then run again."
        ),
    ),
    Fault(
        name="the quota of the working files is used up",
        lasting=strikes.working_files_are_limited,
        moment=Moment.AT_ITS_SECOND_PAGE,
        error=DiskFullError,
        says=(
            "there is no space left for a working file (OSError: File too large). Make room on its disk, then run "
            "again."
        ),
    ),
    Fault(
        name="the file is read-only",
        lasting=strikes.file_is_read_only,
        moment=Moment.AT_ITS_STEP,
        error=WarehouseDeniedError,
        says=(
            "…/warehouse/invoicing.duckdb cannot be written to (IOException). Give the user that runs Dagster the "
            "right to write it and its folder, then run again."
        ),
    ),
    Fault(
        name="the folder is read-only",
        lasting=strikes.folder_is_read_only,
        moment=Moment.AT_ITS_STEP,
        error=WarehouseDeniedError,
        says=(
            "…/warehouse/invoicing.duckdb.wal cannot be written to (TransactionException). Give the user that runs "
            "Dagster the right to write it and its folder, then run again."
        ),
    ),
    Fault(
        name="the file is corrupt",
        lasting=strikes.file_is_corrupt,
        moment=Moment.AT_ITS_STEP,
        error=WarehouseUnusableError,
        says=(
            "…/warehouse/invoicing.duckdb is damaged or no database (IOException). Restore it from a backup, or "
            "move it away and load everything anew."
        ),
    ),
    Fault(
        name="the file is no database",
        lasting=strikes.file_is_no_database,
        moment=Moment.AT_ITS_STEP,
        error=WarehouseUnusableError,
        says=(
            "…/warehouse/invoicing.duckdb is damaged or no database (IOException). Restore it from a backup, or "
            "move it away and load everything anew."
        ),
    ),
    Fault(
        name="the server is killed",
        lasting=strikes.postgres_is_killed,
        moment=Moment.AT_ITS_SECOND_PAGE,
        error=WarehouseUnreachableError,
        says=(
            "the connection to the warehouse at …, port … was refused or lost (OperationalError). Check that it runs, "
            "and its address in DESTINATION__WAREHOUSE__CREDENTIALS; a later run can succeed."
        ),
        warehouse=Warehouse.POSTGRES,
    ),
    Fault(
        name="the connection is lost in mid-merge",
        lasting=strikes.merge_fails("PERFORM pg_terminate_backend(pg_backend_pid())"),
        moment=Moment.AT_ITS_STEP,
        error=WarehouseUnreachableError,
        says=(
            "the connection to the warehouse was refused or lost (OperationalError). Check that it runs, and its "
            "address in DESTINATION__WAREHOUSE__CREDENTIALS; a later run can succeed."
        ),
        warehouse=Warehouse.POSTGRES,
    ),
    Fault(
        name="the disk is full in mid-merge",
        lasting=strikes.merge_fails("RAISE EXCEPTION USING ERRCODE = 'disk_full'"),
        moment=Moment.AT_ITS_STEP,
        error=DiskFullError,
        says=(
            "there is no space left for the warehouse (DiskFull: SQLSTATE 53100). Make room on its disk, then run "
            "again."
        ),
        warehouse=Warehouse.POSTGRES,
    ),
    Fault(
        name="the database is read-only",
        lasting=strikes.administrator_says(
            "ALTER ROLE {role} SET default_transaction_read_only = on",
            afterwards="ALTER ROLE {role} RESET default_transaction_read_only",
        ),
        moment=Moment.AT_ITS_STEP,
        error=WarehouseDeniedError,
        says=(
            "the warehouse takes no changes, only queries (ReadOnlySqlTransaction: SQLSTATE 25006). Name the "
            "primary server in DESTINATION__WAREHOUSE__CREDENTIALS, or let its user write, then run again."
        ),
        warehouse=Warehouse.POSTGRES,
    ),
    Fault(
        name="the user may not change the table",
        lasting=strikes.administrator_says(
            "ALTER TABLE {table} OWNER TO postgres",
            afterwards="ALTER TABLE {table} OWNER TO {role}",
        ),
        moment=Moment.AT_ITS_STEP,
        error=WarehouseDeniedError,
        says=(
            "the warehouse refuses the user that loads it, or what that user tried (InsufficientPrivilege: "
            "SQLSTATE 42501). Check the user, the password and the rights in DESTINATION__WAREHOUSE__CREDENTIALS, "
            "then run again."
        ),
        warehouse=Warehouse.POSTGRES,
    ),
    Fault(
        name="the user may not log in",
        lasting=strikes.administrator_says(
            "ALTER ROLE {role} NOLOGIN",
            afterwards="ALTER ROLE {role} LOGIN",
        ),
        moment=Moment.AT_ITS_STEP,
        error=WarehouseDeniedError,
        says=(
            "the warehouse at …, port … refuses the user that loads it, or what that user tried (OperationalError). "
            "Check the user, the password and the rights in DESTINATION__WAREHOUSE__CREDENTIALS, then run again."
        ),
        warehouse=Warehouse.POSTGRES,
    ),
)
