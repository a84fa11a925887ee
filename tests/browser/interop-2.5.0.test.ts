import { pageInteropSuite } from "../suites/page-interop.ts";

pageInteropSuite("2.5.0");
