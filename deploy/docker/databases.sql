-- Run once, when PostgreSQL starts on an empty volume; the warehouse is made by POSTGRES_DB.
CREATE DATABASE dagster;
CREATE DATABASE invoice_state;
