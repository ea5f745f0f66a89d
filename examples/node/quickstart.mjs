// Alice's agent plans four tool calls and asks before each of them.
import {ArmorIQError, Client} from './armoriq.mjs';

async function ask(session, tool, args) {
  const decision = await session.check(tool, args);
  console.log(`${decision.verdict.toUpperCase().padEnd(5)}  ${tool.padEnd(28)} ${decision.reason}`);
  return decision;
}

// One client per process. The API key and the addresses come from the environment.
const client = new Client();
// One scope per end user, one session per turn of the agent. With Node 24 or newer: `using alice = …`.
const alice = client.forUser('alice@example.com');
const session = alice.startSession({mode: 'sdk'});
try {
  await session.startPlan(
    [
      {name: 'data-mcp__fetch_sales', args: {quarter: 'Q4'}},
      {name: 'payments-mcp__pay_vendor', args: {amount: 250}},
      {name: 'data-mcp__drop_table', args: {table: 'sales'}},
      {name: 'mail-mcp__send_report', args: {}},
    ],
    'Pay the vendor and report the sales',
  );

  await ask(session, 'data-mcp__fetch_sales', {quarter: 'Q4'});
  await ask(session, 'data-mcp__drop_table', {table: 'sales'});
  await ask(session, 'crm-mcp__export_contacts', {});
  const payment = await ask(session, 'payments-mcp__pay_vendor', {amount: 250});
  if (payment.verdict === 'hold') {
    console.log(`       waiting for approval of ${payment.delegation_id}`);
    const status = await session.awaitApproval(payment.delegation_id, {timeout_ms: 60000, interval_ms: 200});
    console.log(`       ${status}`);
  }
} finally {
  session.close();
  alice.close();
  client.close();
}

// A key that is none is refused before anything is sent.
try {
  new Client({api_key: 'not-a-key'});
} catch (error) {
  if (!(error instanceof ArmorIQError)) throw error;
  console.log(`ERROR  ${error.code}: ${error.message}`);
}
