import { pageInteropSuite } from "../suites/page-interop.ts";

pageInteropSuite("3.1.3");
