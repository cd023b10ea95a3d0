/** Markdown of an answer as sanitized nodes. Models are not trusted: no scripts, no forms, no remote images. */
import { marked } from './vendor/marked.js';
import DOMPurify from './vendor/dompurify.js';

marked.use({ gfm: true, breaks: true });

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A') {
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer');
  }
});

/** @param {HTMLElement} target @param {string} text */
export function renderMarkdown(target, text) {
  const fragment = DOMPurify.sanitize(/** @type {string} */ (marked.parse(text)), {
    RETURN_DOM_FRAGMENT: true,
    FORBID_TAGS: ['img', 'video', 'audio', 'iframe', 'form', 'input', 'button', 'style', 'svg', 'math'],
    FORBID_ATTR: ['style', 'class', 'id'],
  });
  // What may scroll sideways can be reached and scrolled by keyboard.
  for (const wide of fragment.querySelectorAll('pre, table')) wide.setAttribute('tabindex', '0');
  target.replaceChildren(fragment);
}
