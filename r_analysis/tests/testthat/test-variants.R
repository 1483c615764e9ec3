variants <- read_fixture()$variants

test_that("the main variant is the first that reads features, wherever others stand", {
  expect_identical(find_main_variant(variants), "vgg16-adaptive")
  expect_identical(find_main_variant(variants[rev(seq_len(nrow(variants))), ]), "resnet50-plain")
})

test_that("the article's segmentation variant is the one that it has, wherever others stand", {
  expect_identical(find_paper_segmentation(variants), "delayed")
  expect_identical(find_paper_segmentation(variants[rev(seq_len(nrow(variants))), ]), "delayed")
  other <- variants
  other$paper_item[match(c("delayed", "three-phase"), other$variant)] <- c(NA, "Table 4")
  expect_identical(find_paper_segmentation(other), "three-phase")
})

test_that("the variants of a run begin with the article's, in whatever order they are told", {
  run <- function(told) list(variants = variants, run = data.frame(key = "segmentation", value = told))
  expect_identical(list_segmentations(run("three-phase delayed")), c("delayed", "three-phase"))
  expect_identical(list_segmentations(run("delayed")), "delayed")
  turned <- run("delayed three-phase")
  turned$variants <- variants[rev(seq_len(nrow(variants))), ]
  expect_identical(list_segmentations(turned), c("delayed", "three-phase"))
})

test_that("one variant's results are its own rows and those of reference regions", {
  results <- list(
    regions = data.frame(segmentation = factor(c("x", NA, "y", "x")), value = 1:4), lesions = data.frame(value = 5)
  )
  expect_identical(
    select_segmentation(results, "x"), list(regions = data.frame(value = c(1L, 2L, 4L)), lesions = results$lesions)
  )
})

test_that("what was trained is named by its variant where there are several", {
  stage <- c("pretrain", "finetune", "characterization")
  expect_identical(
    name_training(stage, c(NA, "x", "z")), c("segmentation, pre-training", "segmentation, fine-tuning", "z")
  )
  expect_identical(
    name_training(stage[c(1, 2, 2, 3)], c(NA, "x", "y", "z")),
    c("segmentation, pre-training", "fine-tuning, x", "fine-tuning, y", "z")
  )
  expect_identical(
    name_training(c("start", "start", "finetune", "finetune"), c("x", "y", "x", "y")),
    c("shared start, x", "shared start, y", "fine-tuning, x", "fine-tuning, y")
  )
  expect_identical(
    name_training(c("start", "finetune"), c("x", "x")), c("segmentation, shared start", "segmentation, fine-tuning")
  )
})

test_that("a variant is direct by its kind, not by its name", {
  named <- rbind(variants, transform(variants[variants$kind == "features", ][1, ], variant = "direct-looking"))
  expect_identical(
    is_direct(factor(c("direct-frozen", "vgg16-plain", "direct-looking")), named), c(TRUE, FALSE, FALSE)
  )
})

test_that("variants are counted once, and lesions without one are none", {
  expect_identical(count_variants(factor(c("a", "b", NA, "a"), c("a", "b", "c"))), 2L)
  expect_identical(count_variants(NULL), 0L)
})

test_that("no variant is named in the code of the analysis or in the page", {
  files <- list.files(analysis_folder, "[.](R|Rmd|css)$", full.names = TRUE)
  files <- c(files, list.files(file.path(analysis_folder, "R"), full.names = TRUE))
  expect_gt(length(files), 50)
  code <- unlist(lapply(files, readLines, encoding = "UTF-8"))
  # The segmentation variant is called like its phase, which has its own right to be named.
  names <- setdiff(variants$variant, "delayed")
  expect_length(names, 8)
  for (name in names) {
    expect_identical(grep(gsub("-", "[-_]", name), code, value = TRUE), character())
  }
})

test_that("a variant that is added to the results arrives in tables and figures by its row in variants.csv alone", {
  results <- make_fixture_results()
  added <- transform(
    results$variants[results$variants$variant == "vgg16-plain", ],
    variant = "densenet", trunk = "densenet121", mode = "adaptive", paper_item = ""
  )
  results$variants <- rbind(results$variants, added)
  for (name in c("features", "categories")) {
    own <- results[[name]][results[[name]]$variant == "vgg16-plain", ]
    results[[name]] <- rbind(results[[name]], transform(own, variant = "densenet"))
  }
  folder <- tempfile()
  write_results(results, folder)
  analysis <- run_analysis(read_results(folder, test_schema()), read_paper_results(paper_path))
  estimate <- function(name) get_estimate(analysis, name)
  for (name in c("accuracy", "features", "calibration", "shifts", "confusion_variants")) {
    of <- function(variant) {
      rows <- estimate(name)[estimate(name)$variant == variant, ]
      # Nothing but the name tells it from the one that it was copied from.
      unname(as.list(rows[setdiff(names(rows), "variant")]))
    }
    expect_gt(length(of("densenet")[[1]]), 0)
    expect_identical(of("densenet"), of("vgg16-plain"), info = name)
  }
  # The article has no such trunk, and the main variant is compared with it, too.
  expect_false("densenet" %in% estimate("comparison")$level)
  contrasts <- estimate("contrasts")
  expect_identical(contrasts$contrast[contrasts$second == "densenet"], "VGG16 - densenet121, adaptive")
  expect_match(tabulate_contrasts(contrasts)$caption, "adjusted for the seven contrasts", fixed = TRUE)
  expect_silent(figures <- build_figures(analysis))
  expect_true("densenet" %in% figures$figure_16_confusion_variants$data$variant)
})
