// Lets columns be sorted: up, down, and back to the order of the page. Without it the page reads the same.
const order = new Intl.Collator("en", { numeric: true });
const shown = (row, column) => row.cells[column].firstChild?.textContent ?? "";
const size = (text) => parseFloat(text.replace(/\u2212/g, "-").replace(/[,\s]/g, ""));
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  if (rows.length < 3) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(head.firstChild);
    head.prepend(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("number"), first = numeric ? "descending" : "ascending";
      const before = head.getAttribute("aria-sort"), second = numeric ? "ascending" : "descending";
      const now = before === first ? second : before === second ? null : first, sign = now === "descending" ? -1 : 1;
      const compare = (one, other) => {
        if (!numeric) return sign * order.compare(shown(one, column), shown(other, column));
        const a = size(shown(one, column)), b = size(shown(other, column));
        return isNaN(a) || isNaN(b) ? isNaN(a) - isNaN(b) : sign * (a - b);
      };
      for (const other of heads) other.removeAttribute("aria-sort");
      if (now) head.setAttribute("aria-sort", now);
      body.append(...(now ? [...rows].sort(compare) : rows));
    });
  });
}
