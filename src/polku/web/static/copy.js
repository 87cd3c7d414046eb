// Buttons that copy a text of the page. Where the browser has no clipboard (no https), the text is selected instead.
export function copying() {
  const told = document.getElementById("told");
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const name = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const selection = getSelection();
      selection.selectAllChildren(source);
      if (!navigator.clipboard) return;
      await navigator.clipboard.writeText(source.textContent);
      selection.removeAllRanges();
      button.textContent = `${name} ✓`;
      if (told) told.textContent = button.textContent;
      setTimeout(() => (button.textContent = name), 2000);
    });
  }
}
