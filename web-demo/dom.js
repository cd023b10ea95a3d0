/** Small words for the page. */

/** @template {HTMLElement} T @param {string} id @returns {T} */
export const $ = (id) => /** @type {T} */ (document.getElementById(id));

/**
 * @param {string} tag @param {Record<string, any>} [props] @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
export function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'className' || key === 'textContent' || key === 'disabled' || key === 'value') /** @type {any} */ (node)[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** 1234567 as "1.2 MB". @param {number} n */
export function bytes(n) {
  if (!Number.isFinite(n)) return '?';
  const units = ['B', 'kB', 'MB', 'GB'];
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) { n /= 1000; unit++; }
  return `${n < 10 && unit > 0 ? n.toFixed(n < 9.95 ? 1 : 0) : Math.round(n)} ${units[unit]}`;
}

/** Seconds as "3 s" or "2 min". @param {number} s */
export const duration = (s) => (s < 90 ? `${Math.max(1, Math.round(s))} s` : `${Math.round(s / 60)} min`);

/** Puts the cursor into the message box, where that does not raise a keyboard over the page. */
export function focusPrompt() {
  if (matchMedia('(pointer: fine)').matches) $('prompt').focus();
}

/** @param {string} text */
export function speak(text) {
  $('spoken').textContent = text;
}

/**
 * Tells something above the conversation; an empty text takes it away.
 * @param {string} text @param {'error'|'info'} [kind]
 * @param {{label: string, run: () => void}} [action] what can be done about it, as a button
 */
export function notice(text, kind = 'error', action) {
  const box = $('notice');
  box.dataset.kind = kind;
  $('notice-text').textContent = text;
  const button = $('notice-action');
  button.hidden = !action;
  if (action) button.textContent = action.label;
  button.onclick = action?.run ?? null;
  $('notice-close').onclick = () => notice('');
  box.hidden = !text;
}

/** Opens a dialog and wires its close buttons once. @param {HTMLDialogElement} dialog */
export function openDialog(dialog) {
  if (!dialog.dataset.wired) {
    dialog.dataset.wired = 'yes';
    for (const button of dialog.querySelectorAll('[data-close]')) button.addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  }
  if (dialog.open) return;
  dialog.showModal();
  dialog.scrollTop = 0;
}
