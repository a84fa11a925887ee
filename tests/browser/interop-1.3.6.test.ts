import { pageInteropSuite } from "../suites/page-interop.ts";

pageInteropSuite("1.3.6");
