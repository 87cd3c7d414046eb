// What makes the pages move. Everything works without it: links and forms lead to the same URLs.
import { follow } from "./follow.js";
import { choose } from "./choose.js";
import { charts } from "./pictures.js";
import { editor } from "./editor.js";
import { find, period } from "./find.js";
import { menu } from "./menu.js";
import { copying } from "./copy.js";
import { note } from "./note.js";
import { parts } from "./parts.js";
import { fitPaper } from "./paper.js";
import { steps } from "./steps.js";
import { tellZone } from "./zone.js";

document.documentElement.classList.add("js");
choose();
follow();
fitPaper();
find();
period();
steps();
charts();
menu();
copying();
note();
parts();
editor();
tellZone();
