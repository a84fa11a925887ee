// Runs the adapter suite over socket.io's unmodified adapter for PostgreSQL.

import pg from "pg";

import { adapterSuite } from "../suites/adapter.ts";
import { noPostgres, startPostgres } from "../support/postgres.ts";

adapterSuite({
  name: "of socket.io for PostgreSQL",
  skip: noPostgres,
  prepare: async (context) => {
    const { url } = await startPostgres(context);
    await createTable(url);
    const node = { adapter: { name: "postgres", url } } as const;
    return [node, node, node];
  },
});

/** Creates the table that the adapter's documentation requires. */
async function createTable(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query(`CREATE TABLE socket_io_attachments (
    id bigserial UNIQUE, created_at timestamptz DEFAULT NOW(), payload bytea)`);
  await client.end();
}
