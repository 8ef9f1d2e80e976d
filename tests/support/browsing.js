// What the browser test reads from a page, as one function each; run by tests/support/browsing.py.
const text = (parent, selector) => parent.querySelector(selector)?.innerText.trim() ?? null;
const number = (words) => Number(words.replaceAll(",", ""));
const color = (value) => (value.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);

/** The relative luminance of WCAG 2. */
const luminance = (rgb) => {
  const [r, g, b] = rgb.slice(0, 3).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};

/** What is painted behind an element: the first ground that is not transparent. */
const ground = (element) => {
  for (; element; element = element.parentElement) {
    const [r, g, b, alpha = 1] = color(getComputedStyle(element).backgroundColor);
    if (alpha > 0.5) return [r, g, b];
  }
  return [255, 255, 255];
};
const leaves = (element, cell) => {
  const end = cell.getBoundingClientRect().right - parseFloat(getComputedStyle(cell).paddingRight);
  return element.getBoundingClientRect().right > end + 0.5;
};
const isShown = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility === "visible";

const questions = {
  rows: () => [...document.querySelectorAll("table.customers tbody tr")].map((row) => {
    const bar = row.querySelector("svg.bar"), rect = bar?.querySelector("rect");
    const seats = text(row, ".used small")?.match(/^([\d,.]+) of ([\d,.]+) seats/);
    return {
      name: row.querySelector(".who a").textContent,
      href: row.querySelector(".who a").href,
      badges: [...row.querySelectorAll(".badge")].map((badge) => badge.innerText),
      levels: [...row.querySelectorAll(".badge")].map((badge) => badge.className.replace("badge ", "")),
      percent: bar ? number(text(row, ".percent").replace(" %", "")) : null,
      filled: bar ? 100 * rect.getBoundingClientRect().width / bar.getBoundingClientRect().width : null,
      level: rect?.getAttribute("class"),
      fill: rect ? getComputedStyle(rect).fill : null,
      used: seats ? number(seats[1]) : null,
      total: seats ? number(seats[2]) : null,
      date: row.querySelector(".expires [title]")?.title ?? null,
    };
  }),
  semantics: () => ({
    lang: document.documentElement.lang,
    h1: document.querySelectorAll("h1").length,
    main: document.querySelectorAll("main").length,
    headers: document.querySelectorAll("th").length,
    headersWithoutScope: document.querySelectorAll("th:not([scope=col], [scope=row])").length,
    unlabelled: [...document.querySelectorAll("input, select, textarea")]
      .filter((input) => !input.labels.length && !input.ariaLabel).map((input) => input.outerHTML),
    doubleIds: [...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i),
    refresh: [...document.querySelectorAll("meta[http-equiv=refresh]")].map((meta) => meta.content),
  }),
  legibility: () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), texts = [];
    const add = (element, style, words) =>
      texts.push({ words, contrast: contrast(color(style.color), ground(element)), color: style.color });
    for (let node; (node = walker.nextNode());) {
      if (node.data.trim() && isShown(node.parentElement)) {
        add(node.parentElement, getComputedStyle(node.parentElement), node.data.trim().slice(0, 40));
      }
    }
    for (const input of document.querySelectorAll("input[placeholder]")) {
      add(input, getComputedStyle(input, "::placeholder"), input.placeholder);
    }
    return { texts, ground: luminance(ground(document.body)) };
  },
  // What stands out to the right, of the page or of its cell, unless it lies in a box of its own that scrolls.
  sideways: () => ({
    excess: Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth),
    outside: [...document.querySelectorAll("body *")]
      .filter((e) => isShown(e) && !e.closest(".scroll > *") && e.getBoundingClientRect().right > innerWidth + 0.5)
      .concat([...document.querySelectorAll("td .percent")].filter((e) => isShown(e) && leaves(e, e.closest("td"))))
      .map((e) => e.outerHTML.slice(0, 80)),
  }),
  pager: () => [...document.querySelectorAll(".pager a")].map((link) => link.innerText),
  sections: () => Object.fromEntries([...document.querySelectorAll("section")]
    .filter((section) => section.querySelector("h2"))
    .map((section) => [text(section, "h2"), section.querySelectorAll("tbody tr").length])),
  lines: (selector) => {
    const range = document.createRange();
    range.selectNodeContents(document.querySelector(selector));
    const boxes = [...range.getClientRects()];
    const height = Math.max(...boxes.map((box) => box.bottom)) - Math.min(...boxes.map((box) => box.top));
    return Math.round(height / parseFloat(getComputedStyle(document.querySelector(selector)).lineHeight));
  },
  took: () => {
    const [navigation] = performance.getEntriesByType("navigation");
    return navigation.loadEventStart - navigation.requestStart;
  },
  focused: () => document.activeElement.name ?? null,
  inject: (what) => {
    const element = document.createElement(what);
    if (what === "script") element.textContent = "document.title = 'it ran'";
    if (what === "style") element.textContent = "body { display: none }";
    if (what === "img") element.src = "http://127.0.0.1:9/picture.png";
    document.body.append(element);
  },
};
return questions[arguments[0]](...arguments[1]);
