/** What the server says to a person with a browser. */
import { ERRORS, type ErrorSpec } from '../job/error-codes.ts';

/** How to connect, as plain text. */
export function welcome(name: string, version: string, publicUrl: string): string {
  return `${name} ${version}

This is an MCP server (Streamable HTTP). It answers MCP clients, not browsers:

  ${publicUrl}/mcp

To connect Claude Code, for example:

  claude mcp add --transport http ${name} ${publicUrl}/mcp --header "Authorization: Bearer <token>"

Tools that take long answer with a job_id at once; get_job_status tells of the result.

  ${publicUrl}/errors    every error code, and what to do about it
  ${publicUrl}/healthz   whether the server runs
  ${publicUrl}/readyz    whether it takes and runs jobs
`;
}

/** Every error code with an anchor of its name. */
export function errorsPage(): string {
  const sections = Object.entries<ErrorSpec>(ERRORS).map(
    ([code, spec]) => `<section id="${code}">
<h2><a href="#${code}">${code}</a></h2>
<p>${escapeHtml(spec.message)}</p>
<p>${escapeHtml(spec.remediation)}</p>
<p><small>HTTP ${spec.status} · sending the same call again later ${spec.retryable ? 'may help' : 'does not help'}</small></p>
</section>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Error codes</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}:target{background:#ffc4}</style>
<h1>Error codes</h1>
<p>Every error has the form <code>{"error": {"code", "message", "docs_url", "remediation", "request_id", "fields"?, "context"?}}</code>. <code>context.retryable</code> says whether the same call may succeed later.</p>
${sections.join('\n')}
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
